"""The data set that ships with the project; README.md tells its source and licence."""
