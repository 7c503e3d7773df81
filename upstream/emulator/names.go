package emulator

import (
	"fmt"
	"strconv"
)

// agent is an agent that users call.
type agent struct {
	id       string
	name     string   // empty for one of the agents
	branches []string // the first is the main one
}

// agentNames has the agents' names. The first have more conversations than the
// last.
var agentNames = [...]string{
	"Support", "Order Desk", "Concierge", "Billing & Payments", "Appointments", "Returns",
	"Onboarding Guide", "Tech Help Level 2", "Réservations", "", "Survey Caller", "Night Shift",
}

func (w *world) newAgents() []agent {
	agents := make([]agent, len(agentNames))
	for i := range agents {
		a := agent{id: "agent_7k" + w.letters(26), name: agentNames[i]}
		for range 1 + i%3 {
			a.branches = append(a.branches, "agtbrch_"+w.letters(28))
		}
		agents[i] = a
	}
	return agents
}

// randomAgent prefers the first agents: the first of all has several times as
// many calls as the last.
func (w *world) randomAgent() agent {
	return w.agents[min(w.random.IntN(len(w.agents)), w.random.IntN(len(w.agents)))]
}

// named returns the agent, or the first agent if this one has no name.
func (a agent) named(all []agent) agent {
	if a.name == "" {
		return all[0]
	}
	return a
}

// hardIDs are user IDs that break careless clients: other scripts, and characters
// with a meaning in a URL, a shell or JSON. Applications choose their user IDs
// freely, and some choose such IDs.
var hardIDs = [...]string{
	"maria.garcía+%s@example.com", "ユーザー%s", "team/7?seat=%s&role=admin#top", "عميل-%s", "🦊%s🎧",
	"100%%25 off +%s", "उपयोगकर्ता_%s", "Bjørn Ångström %s", `Ann "Nickname" O'Neil %s`, "crm:acct/%s/",
	"\\\\host\\share\\%s", "<b>%s</b>", "null,%s", "Zoë\u0308 %s", "客户%s号", "..%%2F%s",
}

// hardEvery is the number of users for each user with a hard ID.
const hardEvery = 50

func isHard(number int) bool { return number%hardEvery == hardEvery/2 }

// userID returns the ID of a user by number, from 0. It is unique.
func userID(number int) string {
	if isHard(number) {
		return fmt.Sprintf(hardIDs[number/hardEvery%len(hardIDs)], strconv.Itoa(number+1))
	}
	return fmt.Sprintf("user_%05d", number+1)
}
