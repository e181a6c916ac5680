"""Results of :mod:`kexport.api` as text for people and as JSON for programs."""
