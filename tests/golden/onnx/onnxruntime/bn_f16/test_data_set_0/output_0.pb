
BYJxM¹Æºåº—ºÐºDzFUCMCìFëCD9¥GÄc@l<ÖH^D¹HSDÑ¸1»º9¹â¹§D[CÇB‘FwCÖÈIeG¾7\¼IýEGDÐFùHº¹¹Ü¹ê¹G®C+EbF¦DHIÉƒFDÄ;HDEŒI²HËI