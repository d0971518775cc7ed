"""Tables of new devices from a few measured networks and the tables of other devices."""
