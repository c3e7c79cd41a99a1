"""The command: thin; each verb parses, calls one function and prints."""
