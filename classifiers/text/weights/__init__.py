"""What we trained: LoRA adapter, head and `model.json`. A package only so that the files ship in the wheel."""
