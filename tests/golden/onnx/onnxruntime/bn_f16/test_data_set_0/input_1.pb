
BscaleJJ,¯¾WBœA