"""Texts of files to take away."""

TEXT = {
    "downloads.csv": "Download as CSV",
    "downloads.release": "Unmet: {city}, release {release_id}, made {made_at}",
    "downloads.policy": "Policy: {title} ({slug} {version})",
    "downloads.period": "Days: from {start} up to and without {end}",
    "downloads.as_of": "Calls up to {as_of}; services as of {services_as_of}",
    "downloads.refused": "The policy in force does not let your role take this file away.",
    "downloads.too_many": "More than {n} rows: choose a coarser level.",
    "downloads.no_log": "The log cannot be written, so nothing may leave. Ask whoever runs this server.",
}
