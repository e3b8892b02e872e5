//! Every layer's errors as problems: the one place that gives them a status and a code.
