"""ProxylessNAS: binary gates, architecture updates and hardware losses."""
