"""The formats that kexport emits, one folder each; found through the entry points ``kexport.targets``."""
