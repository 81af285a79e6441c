"""Prompts: masks, boxes, points, categories and expressions as tokens and initial queries."""
