"""What `geneva doctor` looks at: small checks that each return what they found and its fix."""
