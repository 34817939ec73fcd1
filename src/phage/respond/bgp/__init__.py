"""What responders that speak BGP share: routes of decisions, and the ExaBGP that announces them."""
