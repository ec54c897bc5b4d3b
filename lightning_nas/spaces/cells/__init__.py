"""What the spaces of cells share: decisions of cells, the cells themselves, the macro network of DARTS."""
