"""The data set that ships with the project; README.md names its source and licence."""
