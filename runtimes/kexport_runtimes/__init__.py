"""The engines that run what kexport emits, one folder each; found through the entry points ``kexport.runtimes``.

A runtime takes a file and arrays. It imports nothing of kexport.
"""
