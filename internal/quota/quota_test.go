package quota_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/quota"
)

func TestBucketPerCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := quota.New[string](2)
		for i := range 20 {
			if wait := q.Wait("alice"); wait != 0 {
				t.Fatalf("alice waits for %v after %d", wait, i)
			}
			q.Spend("alice")
		}
		if wait := q.Wait("alice"); wait != 500*time.Millisecond {
			t.Errorf("alice waits for %v, want 500ms", wait)
		}
		if wait := q.Wait("bob"); wait != 0 {
			t.Errorf("bob waits for %v", wait)
		}
		for range 4 { // into debt
			q.Spend("alice")
		}
		if wait := q.Wait("alice"); wait != 2500*time.Millisecond {
			t.Errorf("alice waits for %v, want 2.5s", wait)
		}
		time.Sleep(2500 * time.Millisecond) //nolint:forbidigo // in fake time
		if wait := q.Wait("alice"); wait != 0 {
			t.Errorf("alice still waits for %v", wait)
		}
	})
}

func TestBucketsAreBounded(t *testing.T) {
	q := quota.New[string](1)
	for range 10 {
		q.Spend("first")
	}
	for i := range 20_000 {
		q.Spend(fmt.Sprint("caller ", i))
	}
	if wait := q.Wait("first"); wait != 0 {
		t.Errorf("the first of 20,000 callers still has a bucket: waits for %v", wait)
	}
}

func TestWaitCreatesNoBucket(t *testing.T) {
	q := quota.New[string](1)
	for range 20 { // ten of which are debt
		q.Spend("caller")
	}
	for i := range 20_000 {
		if wait := q.Wait(fmt.Sprint("made-up caller ", i)); wait != 0 {
			t.Fatalf("a caller that has spent nothing waits for %v", wait)
		}
	}
	if wait := q.Wait("caller"); wait == 0 {
		t.Error("the caller's debt is forgotten")
	}
}
