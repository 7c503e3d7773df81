package emulator

import (
	"fmt"
	"strconv"
)

// agent is somebody to talk to.
type agent struct {
	id       string
	name     string   // empty for the one that nobody has named
	branches []string // the first is the main one
}

// agentNames is the roster. Those in front have more to do.
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

// anyAgent prefers those in front: the first has several times the calls of the last.
func (w *world) anyAgent() agent {
	return w.agents[min(w.random.IntN(len(w.agents)), w.random.IntN(len(w.agents)))]
}

// named returns the agent, or where it has no name the first one.
func (a agent) named(all []agent) agent {
	if a.name == "" {
		return all[0]
	}
	return a
}

// hardIDs are the ways to be hard: another script, or what a URL, a shell or
// JSON takes for its own. Applications choose their user IDs; some choose these.
var hardIDs = [...]string{
	"maria.garcía+%s@example.com", "ユーザー%s", "team/7?seat=%s&role=admin#top", "عميل-%s", "🦊%s🎧",
	"100%%25 off +%s", "उपयोगकर्ता_%s", "Bjørn Ångström %s", `Ann "Nickname" O'Neil %s`, "crm:acct/%s/",
	"\\\\host\\share\\%s", "<b>%s</b>", "null,%s", "Zoë\u0308 %s", "客户%s号", "..%%2F%s",
}

// hardEvery is how many users there are for each with a hard ID.
const hardEvery = 50

func isHard(number int) bool { return number%hardEvery == hardEvery/2 }

// userID names the user of a number from 0, uniquely.
func userID(number int) string {
	if isHard(number) {
		return fmt.Sprintf(hardIDs[number/hardEvery%len(hardIDs)], strconv.Itoa(number+1))
	}
	return fmt.Sprintf("user_%05d", number+1)
}
