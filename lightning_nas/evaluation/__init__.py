"""What was found, beside others: trained and tested alike."""
