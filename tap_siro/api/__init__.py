"""One page of the API, safely: requests, retries, authentication and decoding."""
