package core

import "testing"

func TestCache(t *testing.T) {
	c := NewCache[int, string](3)
	for i := range 10 {
		c.Put(i, "x")
	}
	c.Put(9, "y")
	if len(c.m) != 3 {
		t.Errorf("%d things are remembered", len(c.m))
	}
	if v, ok := c.Get(9); !ok || v != "y" {
		t.Errorf("the newest is %q, %v", v, ok)
	}
	if _, ok := c.Get(10); ok {
		t.Error("what nobody has put is there")
	}
}
