UPDATE customers SET points = points + 1;
