"""Network configurations of the ProxylessNAS and Once-for-All releases."""
