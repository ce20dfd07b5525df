package main

import "errors"

type chatCmd struct{}

func (*chatCmd) Run() error { return errors.New("pending") }
