"""Several nodes as one gateway: who may speak to whom, what they tell each other, and what each may rely on."""
