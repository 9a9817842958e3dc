"""Other people's faces: simpleNN's functions, scikit-learn's estimator, a student's routines."""
