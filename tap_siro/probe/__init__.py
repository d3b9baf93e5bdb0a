"""`tap-siro-probe`: finds out what a real API does where its documentation is silent."""
