"""Room 4: engines that learn an encoded table and draw new ones. The only room that knows torch."""
