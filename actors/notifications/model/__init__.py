"""The rules of notifying. Pure: no clock, no network, no store."""
