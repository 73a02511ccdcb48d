"""Whether tests are strong enough: small faults are planted in reference solutions, and the tests must find them."""
