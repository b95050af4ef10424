"""Each panel's SQL, a named function; a file a theme."""
