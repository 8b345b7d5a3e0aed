"""Rollouts of policies, their statistics, figures and videos."""
