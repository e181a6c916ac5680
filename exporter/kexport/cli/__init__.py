"""The command line, on top of :mod:`kexport.api`. Results go to standard output, everything else to standard error."""
