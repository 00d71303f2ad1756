
BscaleJ¹:A:Ë0³&Bõ¯ý.2>