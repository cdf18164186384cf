"""Alerts: rules over what the house observes anyway, and Alertmanager's routing of what they find. Pure core, thin edges."""
