"""One module a format: each opens a supplier's file and gives typed rows and the rows it refused."""
