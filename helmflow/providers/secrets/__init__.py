"""Who decrypts secret files: sops."""
