"""What happens to a request: submit, plan, read, finish; and the rules that join the parts."""
