package document_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"rollcall/graph/document"
	"rollcall/graph/internal/generated"
)

var limits = document.Limits{Tokens: 1000, Depth: 12, Aliases: 30, RootFields: 20, Fields: 1000, Directives: 20}

func generatedSchema() *ast.Schema { return generated.NewExecutableSchema(generated.Config{}).Schema() }

func newReader(introspection bool) *document.Reader {
	return document.NewReader(generatedSchema(), limits, introspection)
}

// argumentsOf returns the values of a field's arguments.
func argumentsOf(field any, variables map[string]any) map[string]any {
	return field.(*ast.Field).ArgumentMap(variables)
}

// cpu returns the CPU time of the process so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// repeat joins the parts of all numbers below n.
func repeat(n int, part func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(part(i))
	}
	return b.String()
}

// worst returns, for each shape that is expensive to validate, a document of up
// to n parts.
var worst = map[string]func(n int) string{
	"one field many times": func(n int) string { return "{user(userId:1){" + strings.Repeat(" userId", n) + "}}" },
	"one alias many times": func(n int) string { return "{user(userId:1){" + strings.Repeat(" a:userId", n) + "}}" },
	"many keys": func(n int) string {
		return "{user(userId:1){" + repeat(n, func(i int) string { return fmt.Sprintf(" a%d:userId", i) }) + "}}"
	},
	"unknown fields": func(n int) string {
		return "{user(userId:1){" + repeat(n, func(i int) string { return fmt.Sprintf(" conversationCoun%d", i) }) + "}}"
	},
	"one fragment spread": func(n int) string {
		return "{user(userId:1){" + strings.Repeat(" ...f", n) + "}} fragment f on User{id}"
	},
	"fragments of a key": func(n int) string {
		return "{user(userId:1){" + repeat(n, func(i int) string { return fmt.Sprintf(" ...f%d", i) }) + "}}" + repeat(n, func(i int) string { return fmt.Sprintf(" fragment f%d on User{id}", i) })
	},
	"a chain of fragments": func(n int) string {
		return "{user(userId:1){...f0}}" + repeat(n, func(i int) string { return fmt.Sprintf(" fragment f%d on User{id ...f%d}", i, i+1) }) + fmt.Sprintf(" fragment f%d on User{id}", n)
	},
	"spreads of fragments": func(n int) string {
		return "{user(userId:1){...f0}}" + repeat(n, func(i int) string {
			return fmt.Sprintf(" fragment f%d on User{...f%d ...f%d ...f%d}", i, i+1, i+1, i+1)
		}) + fmt.Sprintf(" fragment f%d on User{id}", n)
	},
	"all fragments in all": func(n int) string {
		return "{user(userId:1){...f0}}" + repeat(n, func(i int) string {
			return fmt.Sprintf(" fragment f%d on User{id%s}", i, repeat(n, func(j int) string {
				if j > i {
					return fmt.Sprintf(" ...f%d", j)
				}
				return ""
			}))
		})
	},
	"nested fields of a key": func(n int) string {
		return "{" + strings.Repeat(" user(userId:1){lastContactAgent{users{nodes{id id id id id id}}}}", n/8) + "}"
	},
	"sets with fragments": func(n int) string {
		return "{user(userId:1){" + strings.Repeat(" sentiment{...a ...b}", n) + "}} fragment a on UserSentiment{overall{...c}} fragment b on UserSentiment{overall{...c}} fragment c on SentimentSummary{positiveCount}"
	},
	"sets and many fragments": func(n int) string {
		return "{user(userId:1){" + repeat(n, func(i int) string { return fmt.Sprintf(" sentiment{...f%d}", i) }) + "}}" + repeat(n, func(i int) string { return fmt.Sprintf(" fragment f%d on UserSentiment{overall{positiveCount}}", i) })
	},
	"inline fragments": func(n int) string { return "{user(userId:1){" + strings.Repeat(" ...{id}", n) + "}}" },
	"nested inline": func(n int) string {
		return "{user(userId:1){" + strings.Repeat("id...{", n) + "id" + strings.Repeat("}", n) + "}}"
	},
	"variables": func(n int) string {
		return "query(" + repeat(n, func(i int) string { return fmt.Sprintf("$a%d:ID!", i) }) + "){nodes(ids:[" + repeat(n, func(i int) string { return fmt.Sprintf("$a%d ", i) }) + "]){id}}"
	},
	"variables in objects": func(n int) string {
		return "query(" + repeat(n, func(i int) string { return fmt.Sprintf("$a%d:ID!", i) }) + "){_entities(representations:[{" + repeat(n, func(i int) string { return fmt.Sprintf("a%d:$a%d ", i, i) }) + "}]){__typename}}"
	},
	"unused variables": func(n int) string {
		return "query(" + repeat(n, func(i int) string { return fmt.Sprintf("$a%d:Int", i) }) + "){__typename}"
	},
	"one variable used": func(n int) string {
		return "query($a:Boolean!){user(userId:1){" + strings.Repeat(" ...@skip(if:$a){id}", n) + "}}"
	},
	"arguments": func(n int) string {
		return "{user(userId:1" + repeat(n, func(i int) string { return fmt.Sprintf(" a%d:1", i) }) + "){id}}"
	},
	"an argument many times": func(n int) string { return "{user(" + strings.Repeat("userId:1 ", n) + "){id}}" },
	"input fields": func(n int) string {
		return "{users(filter:{" + repeat(n, func(i int) string { return fmt.Sprintf("userI%d:1 ", i) }) + "}){__typename}}"
	},
	"fields with arguments": func(n int) string {
		return "{" + strings.Repeat(` users(filter:{userId:"u" agentId:"a" branchId:"b"}first:1 sortBy:LAST_CONTACT){__typename}`, n) + "}"
	},
	"a list":       func(n int) string { return "{nodes(ids:[" + strings.Repeat("1 ", n) + "]){id}}" },
	"a wrong list": func(n int) string { return "{nodes(ids:[" + strings.Repeat("{} ", n) + "]){id}}" },
	"nested lists": func(n int) string { return "{nodes(ids:" + strings.Repeat("[", n) + strings.Repeat("]", n) + "){id}}" },
	"nested objects": func(n int) string {
		return "{_entities(representations:" + strings.Repeat("{a:", n) + "1" + strings.Repeat("}", n) + "){__typename}}"
	},
	"operations": func(n int) string {
		return repeat(n, func(i int) string { return fmt.Sprintf("query a%d{...f} ", i) }) + "fragment f on Query{user(userId:1){" + strings.Repeat(" id", 60) + "}}"
	},
	"operations of one name": func(n int) string { return strings.Repeat("query a{__typename} ", n) },
	"directives": func(n int) string {
		return "{user(userId:1){" + strings.Repeat(" ...@skip(if:true)@include(if:true){id}", n) + "}}"
	},
	"unused fragments": func(n int) string {
		return "{__typename}" + repeat(n, func(i int) string { return fmt.Sprintf(" fragment f%d on User{id}", i) })
	},
	"an unused fragment": func(n int) string { return "{__typename} fragment f on User{" + strings.Repeat(" id", n) + "}" },
	"fragments in a circle": func(n int) string {
		return "{user(userId:1){...f0}}" + repeat(n, func(i int) string {
			return fmt.Sprintf(" fragment f%d on User{id%s}", i, repeat(n, func(j int) string { return fmt.Sprintf(" ...f%d", j) }))
		})
	},
	"unknown fragments": func(n int) string {
		return "{" + repeat(n, func(i int) string { return fmt.Sprintf(" ...f%d", i) }) + "}"
	},
	"types that conflict": func(n int) string {
		return "{user(userId:1){" + repeat(n, func(i int) string { return []string{" a:id", " a:userId"}[i%2] }) + "}}"
	},
	"entities of types": func(n int) string {
		return "{_entities(representations:[]){" + strings.Repeat(" ...on User{a:sentiment{overall{positiveCount}}} ...on Agent{a:id}", n) + "}}"
	},
	"a long string":       func(n int) string { return `{user(userId:"` + strings.Repeat("x", 100*n) + `"){id}}` },
	"a long block string": func(n int) string { return `{user(userId:"""` + strings.Repeat("\n x", 30*n) + `"""){id}}` },
	"comments":            func(n int) string { return "{" + strings.Repeat("#\n", n-10) + "__typename}" },
	"operations of a key": func(n int) string {
		return repeat(n, func(i int) string { return fmt.Sprintf("query a%d{...f} ", i) }) + "fragment f on Query{user(userId:1){" + strings.Repeat("...{", n) + strings.Repeat(" id", 4*n) + strings.Repeat("}", n) + "}}"
	},
	"introspection": func(n int) string { return "{__schema{types{" + strings.Repeat(" name", n) + "}}}" },
}

// largest returns the largest document of a shape that is not too complex,
// approximately.
func largest(r *document.Reader, shape func(int) string) string {
	low, high := 1, 1000
	for low+1 < high {
		middle := (low + high) / 2
		if _, refused := r.Read(shape(middle)); refused != nil && refused.Kind == document.TooComplex {
			high = middle
		} else {
			low = middle
		}
	}
	return shape(low)
}

// reference returns a document as real clients send it, with as many tokens as
// the limit allows. The cost of validating other documents is compared with its
// cost.
func reference() string {
	return "{" + repeat(19, func(i int) string {
		return fmt.Sprintf(` l%d:users(first:30 filter:{agentId:"a"}){edges{cursor node{id userId conversationCount firstContactAt lastContactAt lastContactAgentName lastContactAgent{agentId}}}pageInfo{hasNextPage endCursor}}`, i)
	}) + "}"
}

func TestWorstDocuments(t *testing.T) {
	for _, introspection := range []bool{true, false} {
		r := newReader(introspection)
		took := func(text string) time.Duration {
			least := time.Hour
			for range 5 {
				began := cpu()
				for range 4 {
					_, _ = r.Read(text)
				}
				least = min(least, (cpu()-began)/4)
			}
			return least
		}
		if _, refused := r.Read(reference()); refused != nil {
			t.Fatal(refused)
		}
		base := took(reference())
		t.Logf("a real document: %v", base)
		for name, shape := range worst {
			text := largest(r, shape)
			if len(text) > 128<<10 {
				t.Fatalf("%s: %d bytes", name, len(text))
			}
			spent := took(text)
			_, refused := r.Read(text)
			t.Logf("%-24s %8v %5.1f× %d bytes, %v", name, spent, float64(spent)/float64(base), len(text), refused != nil)
			if spent > 25*base {
				t.Errorf("%s: %v, %.1f × a real document", name, spent, float64(spent)/float64(base))
			}
		}
	}
}
