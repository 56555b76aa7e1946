"""What scanners say about a SourceTree; no model is asked."""
