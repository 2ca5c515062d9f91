"""The rules of inventory, by aggregate: items hold stock, reservations promise it."""
