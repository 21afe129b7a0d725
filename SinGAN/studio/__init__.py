"""The studio: a web page on one's own machine to paint, edit, train and sample."""
