"""Names that builders and readers of releases share."""

SCHEMA = "1.0"
RELEASE_FILE, POLICY_FILE = "release.json", "policy.toml"
