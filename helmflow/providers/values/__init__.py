"""Who answers ref+scheme:// references: files, commands, sops, Kubernetes, Vault and cloud secret stores."""
