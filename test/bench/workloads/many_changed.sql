UPDATE customers SET phone = '3' || substr(phone, 2);
