"""The studio: a web page on one's own machine where people paint, edit, train and look."""
