	
BScaleJ‚¨:h¼=§7EA„;ýAã<