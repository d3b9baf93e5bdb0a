"""`tap-siro-probe`: what the API does where its documentation is silent, asked of a real one."""
