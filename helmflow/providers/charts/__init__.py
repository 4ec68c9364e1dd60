"""Where charts come from: folders, archives, repositories, registries."""
