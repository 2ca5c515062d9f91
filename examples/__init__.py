"""Tools of the house as anybody may write them: over NATS, with the contract and the door for tools."""
