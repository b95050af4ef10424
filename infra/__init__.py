"""Where it runs: settings, the command line, and the embedded servers."""
