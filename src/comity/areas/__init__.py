"""Areas of cooperation, one room each: bodies, admission, fold, columns. Pure; none imports another."""
