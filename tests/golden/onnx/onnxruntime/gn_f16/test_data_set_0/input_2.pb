
BbiasJL·ÕBÄ@¥3Ì?~»òµr¾